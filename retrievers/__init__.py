"""From a question to passages: dense, sparse, and their fusion. Every retriever is a LangChain ``BaseRetriever``."""
