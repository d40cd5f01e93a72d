"""DRACO and its like: what a panel is worth, measured on tasks with rubrics, or on questions of one's own."""
