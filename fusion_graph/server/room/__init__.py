"""What a chatroom needs beside responses: what can be asked and at what price, what was asked, each run whole, and again."""
