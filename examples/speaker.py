# SPDX-License-Identifier: Apache-2.0
"""Speaks words with espeak-ng: one JSON list [word, voice, pitch, speed] a line in; a count of bytes and samples out.

examples.speech starts it as a process of its own: the library keeps a state from word to word, so that the same words
in the same order sound the same only from a fresh start. The wheel espeakng-loader brings library and voices.
"""

from __future__ import annotations

import ctypes
import json
import sys

import espeakng_loader

SYNCHRONOUS, CHARACTERS, UTF_8 = 2, 1, 1
RATE, PITCH = 1, 3
"""Numbers of espeak-ng's speak_lib.h: kind of output, kind of position, encoding, and two parameters."""
RECEIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    """Serve until stdin ends."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    heard: list[bytes] = []

    @RECEIVE
    def receive(samples: int | None, count: int, events: int | None) -> int:
        heard.append(ctypes.string_at(samples, 2 * count) if samples and count > 0 else b"")
        return 0

    library.espeak_SetSynthCallback(receive)
    for line in sys.stdin:
        word, voice, pitch, speed = json.loads(line)
        heard.clear()
        if library.espeak_SetVoiceByName(voice.encode()) == 0:
            library.espeak_SetParameter(RATE, speed, 0)
            library.espeak_SetParameter(PITCH, pitch, 0)
            text = word.encode()
            library.espeak_Synth(text, len(text) + 1, 0, CHARACTERS, 0, UTF_8, None, None)
            library.espeak_Synchronize()
        sound = b"".join(heard)
        sys.stdout.buffer.write(f"{len(sound)}\n".encode() + sound)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
