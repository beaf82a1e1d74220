"""The conference focus (the job of Jicofo): one module per duty."""
