"""What a fold's model learns from, put together without what it may not see."""
