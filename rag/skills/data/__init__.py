"""From passages, questions and answers to what a skill learns from."""
