"""What is to be computed: data, shapes, names. No arithmetic happens here."""
