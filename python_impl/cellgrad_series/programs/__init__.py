"""What the parts of a workbook should hold, computed by the MLP: one module a kind of part."""
