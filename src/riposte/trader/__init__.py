"""The live process: what it saw, decided and sent, and how it comes back after a crash."""
