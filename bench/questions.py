"""What the query bench asks: thousands of different texts in English and Chinese, every household, random lists."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Final

from streamrank_client.events import Query
from streamrank_client.making import new_id

__all__ = ["Ask", "questions"]

#: makes the next query of a kind
Ask = Callable[[], Query]
CANDIDATES: Final = 100
CHINESE: Final[Sequence[str]] = """
酸奶 牛奶 咖啡 面包 鸡蛋 鸡肉 牛肉 猪肉 苹果 香蕉 橙汁 婴儿奶粉 尿布 洗衣液 洗发水 牙膏 狗粮 猫粮 啤酒 葡萄酒
矿泉水 可乐 薯片 巧克力 饼干 冰淇淋 奶酪 黄油 面粉 白糖 食盐 酱油 橄榄油 大米 意大利面 番茄酱 土豆 洋葱 胡萝卜
生菜 蘑菇 玉米 豆腐 虾 三文鱼 金枪鱼罐头 香肠 火腿 培根 麦片 蜂蜜 花生酱 果酱 绿茶 红茶 纸巾 卫生纸 垃圾袋 电池 蜡烛
""".split()  # noqa: SIM905
CHINESE_FORMS: Final = (
    "{}", "{}和{}", "便宜的{}", "有什么优惠的{}", "低脂{}", "有机{}", "进口{}", "{}推荐", "我想买{}", "{} {} {}"
)  # fmt: skip


def questions(titles: Mapping[str, str], households: Sequence[str], seed: int = 0) -> dict[str, Ask]:
    """A maker of queries for each of search, feed and rerank; the same seed makes the same ones."""
    rng = random.Random(seed)
    items = sorted(titles)
    wording = sorted(titles.values())

    def query(**fields: object) -> Query:
        return Query(time=int(time() * 1000), request_id=new_id(), **fields)  # type: ignore[arg-type]

    def search() -> Query:
        return query(user_id=rng.choice(households), text=_text(rng, wording))

    def feed() -> Query:
        return query(user_id=rng.choice(households))

    def rerank() -> Query:
        return query(user_id=rng.choice(households), candidates=rng.sample(items, min(CANDIDATES, len(items))))

    return {"search": search, "feed": feed, "rerank": rerank}


def _text(rng: random.Random, titles: Sequence[str]) -> str:
    """One to three words of a title, or a Chinese wish."""
    if rng.random() < 0.5:
        words = rng.choice(titles).lower().split()
        return " ".join(rng.sample(words, min(len(words), rng.randint(1, 3))))
    form = rng.choice(CHINESE_FORMS)
    return form.format(*rng.sample(CHINESE, form.count("{}")))
