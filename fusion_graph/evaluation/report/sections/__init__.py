"""What the figures of an evaluation are, section by section."""
