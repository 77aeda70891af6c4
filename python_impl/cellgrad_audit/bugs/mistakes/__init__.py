"""What each mistake of the catalogue does: one module a part of the flow."""
