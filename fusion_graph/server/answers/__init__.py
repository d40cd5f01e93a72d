"""What a client is told: completions and their chunks, bytes that come often enough, deliberations that travel."""
