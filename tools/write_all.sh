#!/usr/bin/env bash
# Writes every page that comes from the code: tables, diagrams, references, man pages, completions.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
for tool in draw_states list_checks list_commands list_endpoints list_rules list_settings write_shell_pages; do
  .venv/bin/python "tools/$tool.py"
done
