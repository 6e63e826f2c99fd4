# SPDX-License-Identifier: Apache-2.0
"""Files of spiking frameworks as plain records, every field checked; what they mean is said one folder up."""
