#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs what the interop runs need, then runs them; see run.py for the options.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/setup.sh"
exec python3 -B "$here/run.py" "$@"
