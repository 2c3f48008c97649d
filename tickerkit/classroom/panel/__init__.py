"""Panel: a tap as a cell's value shows it: a row per frame, its bits, orders as buttons."""
