# SPDX-License-Identifier: Apache-2.0
"""`python -m akc`."""

from akc.cli.entry import main

main()
