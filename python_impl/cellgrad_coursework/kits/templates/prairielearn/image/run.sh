#!/bin/sh
# Runs for each submission: reads /grade/student, writes /grade/results/results.json.
exec "${CELLGRAD_PYTHON:-python3}" -m cellgrad_coursework.kits prairielearn
