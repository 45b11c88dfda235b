from dataclasses import dataclass, field
from decimal import Decimal

@dataclass(order=True)
class Account:
    owner: str
    balance: Decimal = Decimal(0)
    history: list[str] = field(default_factory=list)

    def deposit(self, amount: Decimal) -> "Account":
        if amount <= 0:
            raise ValueError(f"cannot deposit {amount!r}")
        self.balance += amount
        self.history.append(f"{self.__class__.__name__}: +{amount}")
        return self

output = str(Account("ann").deposit(Decimal("42.10")).balance)
