"""A library's vectors in a vector store elsewhere: any that LangChain knows."""
