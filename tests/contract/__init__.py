"""What others rely on: golden examples, and the library internals that we rely on."""
