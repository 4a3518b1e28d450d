"""What the workflows of .github/workflows run: `python -m pipeline`."""
