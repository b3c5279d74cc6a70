"""From stored history to a judged candidate."""
