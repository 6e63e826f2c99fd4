# SPDX-License-Identifier: Apache-2.0
"""A stream of samples or events: read from a pipe, cut into what a network takes, answered as it comes."""
