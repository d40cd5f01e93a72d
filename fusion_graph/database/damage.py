"""What the words of SQLite say of a file: that it is damaged, which no permission mends."""

import sqlite3

REMEDY = "restore a backup, or name another file with --db"
_CODES = {
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is damaged, or is no database",
}


def damage(error: Exception) -> str:
    """Return how a file is damaged, without the text that is in it; "" if the error says nothing of the kind."""
    if not isinstance(error, sqlite3.Error):
        return ""
    if str(error).startswith("Could not decode to UTF-8"):  # and what follows is a row
        return "the file is damaged: text in it is not UTF-8"
    if str(error) == "malformed JSON":
        return "the file is damaged: malformed JSON"
    return _CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
