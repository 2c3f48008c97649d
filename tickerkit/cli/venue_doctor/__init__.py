"""Venue doctor: tries a venue's preset, and says which line of it is no longer true."""

from tickerkit.cli.venue_doctor.examination import Request, examine, list_requests

__all__ = ["Request", "examine", "list_requests"]
