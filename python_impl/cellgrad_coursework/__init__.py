"""Course assignments: individual workbooks, and fair grades for what comes back."""
