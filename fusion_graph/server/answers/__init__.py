"""What a client is told: completions and their chunks, and bytes that come often enough."""
