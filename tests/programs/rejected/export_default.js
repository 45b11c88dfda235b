// expect: js-import @ 3:1
const total = (orders) => orders.length;
export default total;
