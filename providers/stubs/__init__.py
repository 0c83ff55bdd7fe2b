"""Small servers that speak the providers' interfaces and cost nothing.

`behaviour` decides how slowly, with which error and how many tokens an answer comes; `openai`,
`gemini` and `qwen` give it the provider's shape; `application` serves one of them.
"""
