"""What happens, each a story."""
