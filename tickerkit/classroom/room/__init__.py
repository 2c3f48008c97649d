"""The room: a class on one server: its seats, the teacher's controls, and the students' wires."""
