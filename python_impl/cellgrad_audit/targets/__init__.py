"""What can be audited: each kind of target answers cases."""
