"""Skills: adapters that teach a model to read passages or to judge them. Kept on disk, chosen by model, put on rows."""
