"""The commands assign, grade and rehearse."""
