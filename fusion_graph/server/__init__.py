"""The OpenAI-compatible server: wire names live here and nowhere else."""
