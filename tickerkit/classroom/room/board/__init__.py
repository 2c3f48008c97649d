"""Board: the widget with which a teacher shows a class, and leads it."""
