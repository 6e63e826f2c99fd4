# SPDX-License-Identifier: Apache-2.0
"""`python -m akc.pages [--check] [ROOT]`: write the generated pages of docs/ anew, or say which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from akc.base.products import write_text
from akc.pages.listing import PAGES


@click.command(help="Write the generated pages below ROOT anew.")
@click.option("--check", is_flag=True, help="Write nothing; name the pages that are stale and exit with 1.")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
def main(check: bool, root: Path) -> None:
    """Rewrite every page below `root`, or say which differ from what the code gives."""
    texts = {name: (root / name).read_text() if (root / name).exists() else "" for name in PAGES}
    stale = {name: text for name, make in PAGES.items() if (text := make(texts[name])) != texts[name]}
    for name, text in stale.items():
        if check:
            print(f"{name} is stale: run `python -m akc.pages`", file=sys.stderr)
        else:
            write_text(root / name, text)
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
