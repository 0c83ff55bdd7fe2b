"""The tests, by what they need: nothing, the code, real servers, or the whole system."""
