"""What one would use instead of tickerkit, each as its own library's documentation has it."""
