"""Student: the web page that a class's server sends to phones and laptops."""
