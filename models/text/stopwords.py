"""Words that say nothing about a product, in both languages (negations and "without" stay: they do)."""

from __future__ import annotations

_ENGLISH = """
    a about all also am an and any are as at be been being but by can could did do does doing for from
    had has have having he her here him his how i if in into is it its just let me my of on or our
    please she should so some such than that the their them then there these they this those to too
    us was we were what when where which who whom why will with would you your im ive id lets want
    need looking find show get give buy something anything"""
_CHINESE = """
    的 了 吗 呢 吧 啊 呀 哦 嘛 是 我 你 您 他 她 它 我们 你们 他们 在 有 和 与 及 或 也 都 就 还 很 着 过
    把 被 给 对 从 到 让 跟 向 这 那 这个 那个 这些 那些 这种 那种 哪 哪个 哪些 哪里 什么 怎么 怎么样 怎样
    如何 为什么 多少 几 个 一个 一些 一下 有没有 没有什么 请 请问 想 想要 要 需要 买 找 看 看看 来 可以 能 会
    吃点 推荐 之 其 而 但 但是 因为 所以 如果 以及 帮 帮我"""
STOP_WORDS = frozenset(_ENGLISH.split()) | frozenset(_CHINESE.split())
