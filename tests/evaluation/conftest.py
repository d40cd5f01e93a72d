from tests.chatroom.conftest import browser, chromium

__all__ = ["browser", "chromium"]
