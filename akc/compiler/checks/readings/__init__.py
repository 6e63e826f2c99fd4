# SPDX-License-Identifier: Apache-2.0
"""Network files read a second time, in plain numpy and float64, apart from akc.frontends: one file a format."""
