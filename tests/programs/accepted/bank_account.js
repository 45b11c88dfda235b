class Account {
  #balance = 0;
  static currency = 'EUR';
  get balance() { return this.#balance; }
  deposit(amount) {
    if (!(amount > 0)) throw new RangeError(`cannot deposit ${amount}`);
    this.#balance += amount;
    return this;
  }
  clone() { const copy = new this.constructor(); copy.#balance = this.#balance; return copy; }
}
output = new Account().deposit(20).clone().deposit(22).balance;
