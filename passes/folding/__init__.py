# SPDX-License-Identifier: Apache-2.0
"""Operations that disappear into the weights of their neighbours."""
