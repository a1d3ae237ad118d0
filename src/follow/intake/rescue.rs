//! What is left unread of a deleted file.
