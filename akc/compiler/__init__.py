# SPDX-License-Identifier: Apache-2.0
"""Lower, build, pipelines, programs and samples."""
