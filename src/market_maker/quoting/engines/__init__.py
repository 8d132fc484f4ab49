"""The quoting engines that ship with the bot."""
