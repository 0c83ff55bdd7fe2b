"""The state's own rules: its bytes and its stores."""
