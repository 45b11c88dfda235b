// expect: js-timers @ 5:13
function debounce(action, ms) {
  let timer;
  return (...args) => {
    timer = setTimeout(() => action(...args), ms);
  };
}
output = typeof debounce;
