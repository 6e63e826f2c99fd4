# SPDX-License-Identifier: Apache-2.0
"""Whether the tests would notice a fault: `python -m tests.mutation`, see CONTRIBUTING.md. Never part of a test run."""
